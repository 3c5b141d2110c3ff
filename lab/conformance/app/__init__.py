"""What runs inside the tried workers; nothing here may import anything of ours."""
