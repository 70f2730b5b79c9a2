"""What an organisation may send in a day, as data with dates and as rules."""
