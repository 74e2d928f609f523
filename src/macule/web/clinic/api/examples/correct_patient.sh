curl --request PUT "$MACULE/api/v1/patients/$PATIENT" \
  --header "Authorization: Bearer $KEY" \
  --header 'If-Match: "1"' \
  --json '{"pseudonym": "P-1043", "birth_year": 1971,
           "sex": "female", "skin_type": 2}'
