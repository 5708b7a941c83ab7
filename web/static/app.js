// Enlivens pages that work without it.
