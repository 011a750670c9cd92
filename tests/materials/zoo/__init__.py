"""Materials to audit the audit with: planted defects, and sound ones that look alike."""
