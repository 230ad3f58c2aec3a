tar --exclude='*.tmp' -czf reports.tar.gz reports && rm -r reports
