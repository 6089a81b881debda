#!/bin/sh
# Makes what is in this directory: an authority, a server's certificate by it, and an authority that has
# nothing to do with either. For tests; the key is in everybody's hands.
set -eu
cd "$(dirname "$0")"
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
        -keyout "$1.key" -out "$1.pem" -subj "/CN=Everwatch test $1" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
}
authority authority
authority stranger
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout server.key -out server.csr -subj "/CN=everwatch.test"
printf 'subjectAltName=DNS:everwatch.test\nbasicConstraints=CA:FALSE\n' > server.ext
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 36500 \
    -extfile server.ext -out server.pem
rm -f authority.key stranger.key server.csr server.ext authority.srl
