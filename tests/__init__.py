"""The tests: unit (pure), integration (real server and workers), e2e (whole stacks)."""
