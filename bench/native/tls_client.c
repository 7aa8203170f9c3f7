#define _GNU_SOURCE
#include "tls_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "bench peer: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

SSL_CTX *trust(const char *caFile) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL || SSL_CTX_load_verify_locations(context, caFile, NULL) != 1) fail("CA");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  return context;
}

SSL *dial(SSL_CTX *context, const char *host, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  if (getaddrinfo(host, port, &hints, &found) != 0) fail("getaddrinfo");
  int descriptor = -1;
  for (struct addrinfo *one = found; one != NULL; one = one->ai_next) {
    descriptor = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    if (descriptor >= 0 && connect(descriptor, one->ai_addr, one->ai_addrlen) == 0) break;
    if (descriptor >= 0) close(descriptor);
    descriptor = -1;
  }
  freeaddrinfo(found);
  if (descriptor < 0) fail("connect");
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL *tls = SSL_new(context);
  SSL_set_fd(tls, descriptor);
  SSL_set_tlsext_host_name(tls, host);
  SSL_set1_host(tls, host);
  if (SSL_connect(tls) != 1) fail("TLS handshake");
  return tls;
}

void hangUp(SSL *tls) {
  int descriptor = SSL_get_fd(tls);
  SSL_shutdown(tls);
  SSL_free(tls);
  close(descriptor);
}

void sendAll(SSL *tls, const void *bytes, size_t size) {
  if (SSL_write(tls, bytes, (int)size) != (int)size) fail("write");
}

size_t receive(SSL *tls, void *buffer, size_t most) {
  int size = SSL_read(tls, buffer, (int)most);
  if (size <= 0) fail("the server closed the connection");
  return (size_t)size;
}

int exchange(SSL *tls, const char *request, char *body, size_t most) {
  char answer[32768];
  size_t size = 0;
  char *head = NULL;
  sendAll(tls, request, strlen(request));
  while (head == NULL) {
    if (size + 1 >= sizeof answer) fail("the answer is too long");
    size += receive(tls, answer + size, sizeof answer - size - 1);
    answer[size] = 0;
    head = strstr(answer, "\r\n\r\n");
  }
  const char *length = strcasestr(answer, "\r\ncontent-length:");
  if (length == NULL || length > head) fail("an answer without a Content-Length");
  size_t wanted = (size_t)atol(length + strlen("\r\ncontent-length:"));
  size_t offset = (size_t)(head + 4 - answer);
  if (wanted + 1 > most || offset + wanted + 1 > sizeof answer) fail("the answer is too long");
  while (size < offset + wanted) size += receive(tls, answer + size, sizeof answer - size - 1);
  memcpy(body, answer + offset, wanted);
  body[wanted] = 0;
  return atoi(answer + strlen("HTTP/1.1 "));
}
