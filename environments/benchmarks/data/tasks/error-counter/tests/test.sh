#!/bin/bash
# Tests in a sandbox without an image are told where they stand and where the verdict goes.
tests=${TESTS_DIR:-/tests} logs=${VERIFIER_LOGS_DIR:-/logs/verifier}
if env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/nowhere python3 -I -S "$tests/test_state.py" "$PWD"; then
  echo 1 >"$logs/reward.txt"
else
  echo 0 >"$logs/reward.txt"
fi
