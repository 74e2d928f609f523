curl "$MACULE/api/v1/consent-texts/care?language=en" \
  --header "Authorization: Bearer $KEY"
