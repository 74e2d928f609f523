curl "$MACULE/api/v1/patients/$PATIENT/lesions" \
  --header "Authorization: Bearer $KEY" \
  --json '{"label": "Left forearm",
           "body_site": "upper_extremity"}'
