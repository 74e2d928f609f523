"""Reports on paper: fpdf2 with the fonts that every reader has, so that nothing of the system is needed."""
