curl "$MACULE/api/v1/exams/$EXAM/report.pdf?audience=doctor" \
  --header "Authorization: Bearer $KEY" \
  --output report.pdf
