curl "$MACULE/api/v1/exams/$EXAM" \
  --header "Authorization: Bearer $KEY"
