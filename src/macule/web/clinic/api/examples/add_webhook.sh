curl "$MACULE/api/v1/webhooks" \
  --header "Authorization: Bearer $KEY" \
  --json '{"url": "https://hospital.example/macule",
           "events": ["exam.answered", "review.decided"]}'
