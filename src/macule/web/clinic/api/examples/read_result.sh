curl "$MACULE/api/v1/exams/$EXAM/result" \
  --header "Authorization: Bearer $KEY"
