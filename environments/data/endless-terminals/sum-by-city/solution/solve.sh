{ echo city,total; tail -n +2 sales.csv | awk -F, '{ sum[$1] += $2 } END { for (city in sum) print city "," sum[city] }' | sort; } >totals.csv
