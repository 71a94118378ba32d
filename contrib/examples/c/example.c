/* Numbers from C, with hiredis (Debian: libhiredis-dev).
 *
 * cc -o example example.c -lhiredis && ./example [HOST [PORT]]
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext* server;

/* Ends the program where there is no reply, or an error. The caller frees the reply. */
static redisReply* checked(redisReply* reply) {
  if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
    fprintf(stderr, "%s\n", reply == NULL ? server->errstr : reply->str);
    exit(1);
  }
  return reply;
}

static void print_integer(const char* label, redisReply* reply) {
  printf("%s: %lld\n", label, checked(reply)->integer);
  freeReplyObject(reply);
}

/* A number is text: one of type 2 keeps its zeros on the left. */
static void draw(const char* name) {
  redisReply* reply = checked(redisCommand(server, "GET %s", name));
  printf("GET %s: %s\n", name, reply->str);
  freeReplyObject(reply);
}

/* Many numbers in one round trip. */
static void draw_in_a_pipeline(const char* name, int count) {
  for (int i = 0; i < count; i++) redisAppendCommand(server, "GET %s", name);
  printf("pipeline:");
  for (int i = 0; i < count; i++) {
    void* reply = NULL;
    redisGetReply(server, &reply);
    printf(" %s", checked(reply)->str);
    freeReplyObject(reply);
  }
  printf("\n");
}

/* The value of one of the key:value lines of an INFO reply. */
static void print_line(const char* info, const char* key) {
  const char* line = strstr(info, key);
  if (line != NULL) {
    const char* value = line + strlen(key);
    printf(" %.*s", (int)strcspn(value, "\r\n"), value);
  }
}

int main(int argc, char** argv) {
  server = redisConnect(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? atoi(argv[2]) : 6380);
  if (server == NULL || server->err) {
    fprintf(stderr, "%s\n", server == NULL ? "out of memory" : server->errstr);
    return 1;
  }

  /* Defining again with the same fields changes nothing, so this can run at every start. */
  print_integer("HSET user_id", redisCommand(server, "HSET user_id type 1 length 7"));
  print_integer("HSET order_id", redisCommand(server,
                                              "HSET order_id type 2 length 12 starting 100000000000"
                                              " auto_disk pre_close"));
  draw("user_id");
  for (int i = 0; i < 3; i++) draw("order_id");
  draw_in_a_pipeline("order_id", 3);

  redisReply* info = checked(redisCommand(server, "INFO order_id"));
  printf("INFO order_id:");
  print_line(info->str, "\ncurrent:");
  print_line(info->str, "\nauto_disk:");
  print_line(info->str, "\nwaste_rate:");
  printf("\n");
  freeReplyObject(info);

  /* Only because this is an example: a dispenser in use is not deleted. */
  print_integer("DEL", redisCommand(server, "DEL user_id order_id"));
  redisFree(server);
  return 0;
}
