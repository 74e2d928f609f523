curl "$MACULE/api/v1/exams/$EXAM/reviews" \
  --header "Authorization: Bearer $KEY" \
  --header "If-Match: $ETAG" \
  --json '{"decision": "override", "final_code": "mel",
           "reason": "morphology", "management": "excise"}'
