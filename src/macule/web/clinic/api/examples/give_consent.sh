curl "$MACULE/api/v1/patients/$PATIENT/consents" \
  --header "Authorization: Bearer $KEY" \
  --json '{"scope": "care", "language": "en"}'
