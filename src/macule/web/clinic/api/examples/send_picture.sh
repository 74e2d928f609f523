curl "$MACULE/api/v1/exams" \
  --header "Authorization: Bearer $KEY" \
  --header "Idempotency-Key: order-4711" \
  --form picture=@spot.png \
  --form pseudonym=P-1042 \
  --form label="Left forearm" \
  --form consent=care \
  --form modality=dermoscopic
