curl "$MACULE/api/v1/patients" \
  --header "Authorization: Bearer $KEY" \
  --json '{"pseudonym": "P-1043", "birth_year": 1970,
           "sex": "female", "skin_type": 2}'
