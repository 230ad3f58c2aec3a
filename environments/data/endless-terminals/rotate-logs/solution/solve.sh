cd logs
for file in app.log.*; do mv "$file" "$(printf 'app.log.%03d' "${file##*.}")"; done
ls | wc -l | tr -d ' ' >../renamed.txt
