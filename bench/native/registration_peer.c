/*
 * A whole registration with the least that it takes: the ESYS calls of the addon and the round trips of the agent, from
 * the first look at the EK to the CONNACK of the hub.
 * usage: registration_peer TCTI CA DPS-PORT HUB-PORT ID-SCOPE REGISTRATION-ID
 * Answers each line of its input with the nanoseconds of one registration and, of these, those inside ESYS, as JSON.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tss2/tss2_mu.h>

#include "esys_calls.h"
#include "tls_client.h"

#define TEXT 8192

static const char *scope, *registrationId;
static long long inTpm;

static void expect(int holds, const char *what) { must(holds ? TSS2_RC_SUCCESS : 1, what); }

static void base64(const void *bytes, size_t size, char *text) { EVP_EncodeBlock((unsigned char *)text, bytes, (int)size); }

static size_t fromBase64(const char *text, size_t length, uint8_t *bytes) {
  int size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
  expect(size > 0, "base64");
  while (length > 0 && text[--length] == '=') size--;
  return (size_t)size;
}

/* The value of a JSON string; none of those that are asked for holds an escape. */
static void member(const char *json, const char *name, char *value, size_t most) {
  char key[64];
  snprintf(key, sizeof key, "\"%s\":\"", name);
  const char *at = strstr(json, key);
  expect(at != NULL, name);
  at += strlen(key);
  const char *end = strchr(at, '"');
  expect(end != NULL && (size_t)(end - at) < most, name);
  memcpy(value, at, (size_t)(end - at));
  value[end - at] = 0;
}

static void publicOf(TPM2_HANDLE handle, char *text) {
  TPM2B_PUBLIC area;
  uint8_t bytes[sizeof area];
  size_t size = 0;
  ESYS_TR object = persistent(handle, &area);
  Esys_TR_Close(esys, &object);
  must(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, bytes, sizeof bytes, &size), "marshal");
  base64(bytes, size, text);
}

static void percent(const char *text, char *encoded) {
  for (; *text != 0; text++) {
    if (strchr("/+=", *text) != NULL) encoded += sprintf(encoded, "%%%02X", *text);
    else *encoded++ = *text;
  }
  *encoded = 0;
}

/* A shared access signature with a key that is loaded. */
static void token(ESYS_TR key, const char *resource, const char *keyName, char *text) {
  char audience[1024], data[1200], plain[64], signature[160];
  uint8_t digest[32];
  long expiry = (long)time(NULL) + 3600;
  percent(resource, audience);
  int size = snprintf(data, sizeof data, "%s\n%ld", audience, expiry);
  long long from = nowNs();
  sign(key, data, (size_t)size, digest);
  inTpm += nowNs() - from;
  base64(digest, sizeof digest, plain);
  percent(plain, signature);
  snprintf(text, TEXT, "SharedAccessSignature sr=%s&sig=%s&se=%ld%s%s", audience, signature, expiry,
           keyName == NULL ? "" : "&skn=", keyName == NULL ? "" : keyName);
}

static void activateText(const char *text, AuthenticationKey *key, TPM2B_PRIVATE *wrapped) {
  uint8_t bytes[TEXT];
  parseAuthenticationKey(bytes, fromBase64(text, strlen(text), bytes), key);
  long long from = nowNs();
  activate(key, wrapped);
  inTpm += nowNs() - from;
}

static ESYS_TR loaded(const AuthenticationKey *key, const TPM2B_PRIVATE *wrapped) {
  long long from = nowNs();
  ESYS_TR made = loadKey(&key->area, wrapped);
  inTpm += nowNs() - from;
  return made;
}

static void prove(ESYS_TR key) {
  uint8_t digest[32];
  long long from = nowNs();
  sign(key, "proof", 5, digest);
  inTpm += nowNs() - from;
}

static int ask(SSL *dps, const char *method, const char *path, const char *authorization, const char *body, char *answer) {
  char request[4 * TEXT];
  snprintf(request, sizeof request,
           "%s /%s/registrations/%s/%s?api-version=2021-06-01 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
           "%s%s%sContent-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
           method, scope, registrationId, path, *authorization == 0 ? "" : "Authorization: ", authorization,
           *authorization == 0 ? "" : "\r\n", strlen(body), body);
  return exchange(dps, request, answer, 2 * TEXT);
}

static uint8_t *field(uint8_t *at, const char *text) {
  size_t size = strlen(text);
  *at++ = (uint8_t)(size >> 8);
  *at++ = (uint8_t)size;
  memcpy(at, text, size);
  return at + size;
}

/* MQTT 3.1.1, 3.1 and 3.2. */
static void connectHub(SSL *hub, const char *hostName, const char *deviceId, const char *password) {
  char user[640];
  uint8_t rest[TEXT], packet[TEXT + 8], answer[4];
  uint8_t *end = field(rest, "MQTT");
  *end++ = 4;
  *end++ = 0xc2;
  *end++ = 0;
  *end++ = 120;
  snprintf(user, sizeof user, "%s/%s/?api-version=2021-04-12", hostName, deviceId);
  end = field(field(field(end, deviceId), user), password);
  size_t size = (size_t)(end - rest), at = 0;
  packet[at++] = 0x10;
  for (size_t left = size; left > 0; left /= 128) packet[at++] = (uint8_t)(left % 128 | (left >= 128 ? 128 : 0));
  memcpy(packet + at, rest, size);
  sendAll(hub, packet, at + size);
  size_t got = 0;
  while (got < 4) got += receive(hub, answer + got, 4 - got);
  expect(answer[0] == 0x20 && answer[3] == 0, "CONNACK");
}

static void registerOnce(SSL_CTX *context, const char *dpsPort, const char *hubPort) {
  char ek[1024], srk[1024], body[4096], answer[2 * TEXT], text[TEXT], authorization[TEXT] = "", resource[600];
  AuthenticationKey key;
  TPM2B_PRIVATE wrapped;
  long long from = nowNs();
  publicOf(EK_HANDLE, ek);
  publicOf(SRK_HANDLE, srk);
  inTpm += nowNs() - from;
  snprintf(body, sizeof body, "{\"registrationId\":\"%s\",\"tpm\":{\"endorsementKey\":\"%s\",\"storageRootKey\":\"%s\"}}",
           registrationId, ek, srk);
  SSL *dps = dial(context, "localhost", dpsPort);
  expect(ask(dps, "PUT", "register", "", body, answer) == 401, "challenge");
  member(answer, "authenticationKey", text, sizeof text);
  activateText(text, &key, &wrapped);
  ESYS_TR challenge = loaded(&key, &wrapped);
  snprintf(resource, sizeof resource, "%s/registrations/%s", scope, registrationId);
  token(challenge, resource, "registration", authorization);
  flush(challenge);
  expect(ask(dps, "PUT", "register", authorization, body, answer) == 202, "register");
  char operation[256], path[320];
  member(answer, "operationId", operation, sizeof operation);
  snprintf(path, sizeof path, "operations/%s", operation);
  int status;
  while ((status = ask(dps, "GET", path, authorization, "", answer)) == 202) continue;
  expect(status == 200, "poll");
  char hostName[256], deviceId[256];
  member(answer, "authenticationKey", text, sizeof text);
  member(answer, "assignedHub", hostName, sizeof hostName);
  member(answer, "deviceId", deviceId, sizeof deviceId);
  activateText(text, &key, &wrapped);
  ESYS_TR proven = loaded(&key, &wrapped);
  prove(proven);
  flush(proven);
  from = nowNs();
  publicOf(EK_HANDLE, ek);
  inTpm += nowNs() - from;
  ESYS_TR live = loaded(&key, &wrapped);
  prove(live);
  snprintf(resource, sizeof resource, "%s/devices/%s", hostName, deviceId);
  token(live, resource, NULL, authorization);
  SSL *hub = dial(context, "localhost", hubPort);
  connectHub(hub, hostName, deviceId, authorization);
  flush(live);
  hangUp(dps);
  hangUp(hub);
}

int main(int argc, char **argv) {
  char line[64];
  if (argc != 7) {
    fprintf(stderr, "usage: registration_peer TCTI CA DPS-PORT HUB-PORT ID-SCOPE REGISTRATION-ID\n");
    return 2;
  }
  openTpm(argv[1]);
  SSL_CTX *context = trust(argv[2]);
  scope = argv[5];
  registrationId = argv[6];
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    inTpm = 0;
    long long from = nowNs();
    registerOnce(context, argv[3], argv[4]);
    printf("[%lld,%lld]\n", nowNs() - from, inTpm);
    fflush(stdout);
  }
  SSL_CTX_free(context);
  closeTpm();
  return 0;
}
