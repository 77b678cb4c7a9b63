"""The models that come with mien, and how one's own are found: weights beside their cards."""
