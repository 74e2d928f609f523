curl "$MACULE/api/v1/exams/$EXAM/picture" \
  --header "Authorization: Bearer $KEY" \
  --output picture.png
