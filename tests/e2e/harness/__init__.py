"""What the end-to-end tests share: a server under test, a raw client, a recorder of replies."""
