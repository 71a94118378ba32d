// Numbers from C++, with hiredis (Debian: libhiredis-dev).
//
// c++ -std=c++20 -o example example.cc -lhiredis && ./example [HOST [PORT]]
#include <hiredis/hiredis.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// hiredis with owners: a connection, and replies as values. Errors are exceptions.
class Client {
 public:
  using Words = std::vector<std::string>;

  Client(const std::string& host, int port) : context_(redisConnect(host.c_str(), port)) {
    if (!context_ || context_->err != 0)
      throw std::runtime_error(context_ ? context_->errstr : "out of memory");
  }

  // A number is text: one of type 2 keeps its zeros on the left.
  std::string text(const Words& words) {
    append(words);
    return text_of(*next_reply());
  }

  long long integer(const Words& words) {
    append(words);
    return next_reply()->integer;
  }

  // Many requests in one round trip.
  std::vector<std::string> pipeline(const std::vector<Words>& requests) {
    for (const Words& words : requests) append(words);
    std::vector<std::string> texts;
    for (size_t i = 0; i < requests.size(); ++i) texts.push_back(text_of(*next_reply()));
    return texts;
  }

 private:
  template <auto free>
  struct Freed {
    void operator()(auto* owned) const { free(owned); }
  };
  using Reply = std::unique_ptr<redisReply, Freed<freeReplyObject>>;

  static std::string text_of(const redisReply& reply) { return {reply.str, reply.len}; }

  void append(const Words& words) {
    std::vector<const char*> texts;
    std::vector<size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), texts.data(),
                           sizes.data());
  }

  Reply next_reply() {
    void* got = nullptr;
    redisGetReply(context_.get(), &got);
    Reply reply(static_cast<redisReply*>(got));
    if (!reply) throw std::runtime_error(context_->errstr);
    if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(text_of(*reply));
    return reply;
  }

  std::unique_ptr<redisContext, Freed<redisFree>> context_;
};

// The value of one of the key:value lines of an INFO reply.
std::string_view line(std::string_view info, std::string_view key) {
  const size_t at = info.find("\n" + std::string(key) + ":");
  if (at == info.npos) return {};
  info.remove_prefix(at + key.size() + 2);
  return info.substr(0, info.find_first_of("\r\n"));
}

int main(int argc, char** argv) try {
  Client client(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? std::atoi(argv[2]) : 6380);

  // Defining again with the same fields changes nothing, so this can run at every start.
  std::cout << "HSET user_id: " << client.integer({"HSET", "user_id", "type", "1", "length", "7"})
            << "\nHSET order_id: "
            << client.integer({"HSET", "order_id", "type", "2", "length", "12", "starting",
                               "100000000000", "auto_disk", "pre_close"})
            << "\nGET user_id: " << client.text({"GET", "user_id"}) << '\n';
  for (int i = 0; i < 3; ++i)
    std::cout << "GET order_id: " << client.text({"GET", "order_id"}) << '\n';

  std::cout << "pipeline:";
  const Client::Words draw{"GET", "order_id"};
  for (const std::string& number : client.pipeline({draw, draw, draw})) std::cout << ' ' << number;

  const std::string info = client.text({"INFO", "order_id"});
  std::cout << "\nINFO order_id: " << line(info, "current") << ' ' << line(info, "auto_disk") << ' '
            << line(info, "waste_rate") << '\n';

  // Only because this is an example: a dispenser in use is not deleted.
  std::cout << "DEL: " << client.integer({"DEL", "user_id", "order_id"}) << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
