curl "$MACULE/api/v1/exams/$EXAM/heatmap" \
  --header "Authorization: Bearer $KEY" \
  --output heatmap.png
