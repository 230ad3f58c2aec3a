cat >count-errors.sh <<'script'
#!/bin/sh
[ -f "$1" ] || { echo "no such file: $1" >&2; exit 2; }
awk '$3 == "ERROR" { count += 1 } END { print count + 0 }' "$1"
script
chmod +x count-errors.sh
