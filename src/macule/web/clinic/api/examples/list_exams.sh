curl --get "$MACULE/api/v1/exams" \
  --header "Authorization: Bearer $KEY" \
  --data since=2026-11-01T00:00:00Z \
  --data state=answered --data limit=20
