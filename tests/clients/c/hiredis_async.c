/* Usage: hiredis_async SCENARIO PORT NAME (see ../scenarios.py), of connect, pool, pipeline,
 * reconnect. -DUSE_LIBEVENT chooses libevent, otherwise it is libev. */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef USE_LIBEVENT
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
static struct event_base* base;
static void loop_begin(void) {
  base = event_base_new();
}
static void loop_attach(redisAsyncContext* client) {
  redisLibeventAttach(client, base);
}
static void loop_run(void) {
  event_base_dispatch(base);
}
static void loop_run_once(void) {
  event_base_loop(base, EVLOOP_ONCE);
}
static void loop_end(void) {
  event_base_free(base);
}
#else
#include <ev.h>
#include <hiredis/adapters/libev.h>
static void loop_begin(void) {}
static void loop_attach(redisAsyncContext* client) {
  redisLibevAttach(EV_DEFAULT, client);
}
static void loop_run(void) {
  ev_run(EV_DEFAULT, 0);
}
static void loop_run_once(void) {
  ev_run(EV_DEFAULT, EVRUN_ONCE);
}
static void loop_end(void) {
  ev_loop_destroy(EV_DEFAULT);
}
#endif

enum { kMost = 1000 };

static int port, waiting, lost;
static const char* name;
static char seen[kMost]; /* numbers that have come */

static void require(int condition, const char* what) {
  if (condition) return;
  printf("failed: %s\n", what);
  exit(1);
}

static void on_disconnect(const redisAsyncContext* client, int status) {
  (void)client;
  lost += status != REDIS_OK;
}

static redisAsyncContext* connected(void) {
  redisAsyncContext* client = redisAsyncConnect("127.0.0.1", port);
  require(client != NULL && client->err == 0, "connect");
  loop_attach(client);
  redisAsyncSetDisconnectCallback(client, on_disconnect);
  return client;
}

static void on_defined(redisAsyncContext* client, void* got, void* unused) {
  (void)unused;
  redisReply* reply = got;
  require(reply != NULL && reply->type == REDIS_REPLY_INTEGER, client->errstr);
}

static void on_number(redisAsyncContext* client, void* got, void* ordered) {
  redisReply* reply = got;
  require(reply != NULL && reply->type == REDIS_REPLY_STRING, client->errstr);
  static int count;
  const int number = atoi(reply->str);
  require(number < kMost && !seen[number], "a number came twice");
  require(ordered == NULL || number == count, "the order of a pipeline");
  seen[number] = 1;
  count++;
  waiting--;
}

static void on_error(redisAsyncContext* client, void* got, void* unused) {
  (void)client, (void)unused;
  redisReply* reply = got;
  require(reply != NULL && reply->type == REDIS_REPLY_ERROR &&
              strcmp(reply->str, "ERR dispenser not found") == 0,
          "an error");
}

static void ask(redisAsyncContext* client, int count, void* ordered) {
  waiting += count;
  for (int i = 0; i < count; i++) redisAsyncCommand(client, on_number, ordered, "GET %s", name);
}

static void draw(redisAsyncContext* client, int count, void* ordered) {
  ask(client, count, ordered);
  redisAsyncDisconnect(client); /* after the replies that are under way */
}

static void define(int and_miss) {
  redisAsyncContext* client = connected();
  redisAsyncCommand(client, on_defined, NULL, "HSET %s type 3", name);
  if (and_miss) redisAsyncCommand(client, on_error, NULL, "GET no-such");
  redisAsyncDisconnect(client);
  loop_run();
}

static void play_connect(void) {
  define(1);
  draw(connected(), 1, NULL);
}

static void play_pool(void) {
  define(0);
  for (int i = 0; i < 8; i++) draw(connected(), 100, NULL);
}

static void play_pipeline(void) {
  define(0);
  draw(connected(), kMost, "ordered");
}

static void on_loss(redisAsyncContext* client, void* got, void* unused) {
  (void)client, (void)unused;
  require(got == NULL, "no reply from a server that was killed");
}

static void play_reconnect(void) {
  define(0);
  redisAsyncContext* client = connected();
  ask(client, 1, NULL);
  while (waiting > 0) loop_run_once();
  printf("restart\n");
  fflush(stdout);
  require(getchar() == '\n', "a line");
  redisAsyncCommand(client, on_loss, NULL, "GET %s", name);
  loop_run();
  require(lost == 1, "the loss is told");
  draw(connected(), 1, NULL);
}

static const struct {
  const char* name;
  void (*play)(void);
} scenarios[] = {
    {"connect", play_connect},
    {"pool", play_pool},
    {"pipeline", play_pipeline},
    {"reconnect", play_reconnect},
};

int main(int argc, char** argv) {
  require(argc == 4, "usage");
  port = atoi(argv[2]);
  name = argv[3];
  loop_begin();
  for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
    if (strcmp(scenarios[i].name, argv[1]) != 0) continue;
    scenarios[i].play();
    loop_run();
    require(waiting == 0, "a number is missing");
    loop_end();
    printf("ok\n");
    return 0;
  }
  require(0, "no such scenario");
}
