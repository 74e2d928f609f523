curl "$MACULE/api/v1/exams/$EXAM/biopsy" \
  --header "Authorization: Bearer $KEY" \
  --json '{"code": "mel", "reported_on": "'"$TODAY"'"}'
