/* Usage: hiredis SCENARIO PORT NAME (see ../scenarios.py). */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int port;
static const char* name;
static redisContext* server;

static void require(int condition, const char* what) {
  if (condition) return;
  printf("failed: %s\n", what);
  exit(1);
}

static void connect_to_server(void) {
  server = redisConnect("127.0.0.1", port);
  require(server != NULL && server->err == 0, "connect");
}

/* The text of a reply, an integer's too; the last error where there is none. */
static const char* text_of(redisReply* reply) {
  static char text[512];
  require(reply != NULL, server->errstr);
  if (reply->type == REDIS_REPLY_INTEGER)
    snprintf(text, sizeof text, "%lld", reply->integer);
  else
    snprintf(text, sizeof text, "%s", reply->str);
  freeReplyObject(reply);
  return text;
}

/* Sends a request and requires a reply that begins with a text. */
static void expect(const char* beginning, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char* text = text_of(redisvCommand(server, format, arguments));
  va_end(arguments);
  require(strncmp(text, beginning, strlen(beginning)) == 0, text);
}

static void play_connect(void) {
  connect_to_server();
  expect("2", "HSET %s type 2 length 5", name);
  expect("00000", "GET %s", name);
  expect("name:", "INFO %s", name);
  expect("ERR dispenser not found", "GET no-such");
  expect("1", "DEL %s", name);
}

static void play_pipeline(void) {
  connect_to_server();
  expect("1", "HSET %s type 3", name);
  for (int i = 0; i < 1000; i++) redisAppendCommand(server, "GET %s", name);
  for (int i = 0; i < 1000; i++) {
    void* reply = NULL;
    redisGetReply(server, &reply);
    require(atoi(text_of(reply)) == i, "the order of a pipeline");
  }
}

static void play_transaction(void) {
  connect_to_server();
  expect("1", "HSET %s type 3", name);
  expect("OK", "MULTI");
  expect("QUEUED", "GET %s", name);
  expect("QUEUED", "INCR %s", name);
  redisReply* reply = redisCommand(server, "EXEC");
  require(reply != NULL && reply->elements == 2 && strcmp(reply->element[0]->str, "0") == 0 &&
              reply->element[1]->integer == 1,
          "EXEC");
  freeReplyObject(reply);
}

static void play_reconnect(void) {
  connect_to_server();
  expect("1", "HSET %s type 3", name);
  expect("0", "GET %s", name);
  printf("restart\n");
  fflush(stdout);
  require(getchar() == '\n', "a line");
  require(redisCommand(server, "GET %s", name) == NULL, "the connection is lost");
  require(redisReconnect(server) == REDIS_OK, server->errstr);
  expect("1", "GET %s", name);
}

static void play_auth(void) {
  connect_to_server();
  expect("NOAUTH", "PING");
  expect("WRONGPASS", "AUTH wrong");
  expect("OK", "AUTH %s", getenv("SECRET"));
  expect("PONG", "PING");
}

static void play_acl_user(void) {
  connect_to_server();
  expect("OK", "AUTH app %s", getenv("APP_SECRET"));
  expect("0", "GET %s", name);
  expect("NOPERM", "HSET %s auto_disk pre_close", name);
}

static const struct {
  const char* name;
  void (*play)(void);
} scenarios[] = {
    {"connect", play_connect},     {"pipeline", play_pipeline}, {"transaction", play_transaction},
    {"reconnect", play_reconnect}, {"AUTH", play_auth},         {"ACL user", play_acl_user},
};

int main(int argc, char** argv) {
  require(argc == 4, "usage");
  port = atoi(argv[2]);
  name = argv[3];
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(scenarios[i].name, argv[1]) != 0) continue;
    scenarios[i].play();
    redisFree(server);
    printf("ok\n");
    return 0;
  }
  require(0, "no such scenario");
}
