sed -i 's/"port": 8080/"port": 8443,/; s/"debug": true/"debug": false/' service.json && chmod 600 service.json
