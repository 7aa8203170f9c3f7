/* One TLS connection, and HTTP/1.1 over it: the round trips of a registration and nothing else. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stddef.h>

SSL_CTX *trust(const char *caFile);
SSL *dial(SSL_CTX *context, const char *host, const char *port);
void hangUp(SSL *tls);
void sendAll(SSL *tls, const void *bytes, size_t size);
size_t receive(SSL *tls, void *buffer, size_t most);
/* Sends one request and reads its answer, which needs a Content-Length. @returns the status; the body ends with a zero */
int exchange(SSL *tls, const char *request, char *body, size_t most);

#endif
