"""People, lesions, exams, reviews, consent and audit: what the clinic keeps, and the only room that speaks SQL."""
