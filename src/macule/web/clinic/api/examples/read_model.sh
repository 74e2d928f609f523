curl "$MACULE/api/v1/model" \
  --header "Authorization: Bearer $KEY"
