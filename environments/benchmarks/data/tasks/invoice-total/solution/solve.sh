cat >total.py <<'program'
import csv
import sys
from decimal import Decimal

rows = csv.DictReader(sys.stdin)
print(f"{sum(Decimal(row['quantity'] or 1) * Decimal(row['price']) for row in rows):.2f}")
program
