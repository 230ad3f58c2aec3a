printf '%s\n' '#!/bin/sh' 'awk "length > most { most = length; line = \$0 } END { print line }" "$1"' >longest.sh
chmod +x longest.sh
