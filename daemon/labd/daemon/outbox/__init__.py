"""What a researcher gets back: results, STATUS and receipts."""
