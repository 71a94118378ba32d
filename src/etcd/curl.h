// libcurl, loaded when it is first needed: a program that never asks for it does not need it
// installed. Once loaded it stays, as its threads (that look up names) may outlive their caller.
#pragma once

#include <curl/curl.h>

#include "number_dispenser/base/error.h"

namespace number_dispenser::etcd {

// What is used of it, under the names it has there without curl_.
struct Curl {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
  decltype(&::curl_multi_init) multi_init = nullptr;
  decltype(&::curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&::curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&::curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&::curl_multi_perform) multi_perform = nullptr;
  decltype(&::curl_multi_info_read) multi_info_read = nullptr;
  decltype(&::curl_multi_poll) multi_poll = nullptr;
  decltype(&::curl_multi_wakeup) multi_wakeup = nullptr;
};

// `file`: the library's, for the dynamic loader. Errors: it is not there, or is not libcurl 7.68 or
// later (kConfiguration). Any thread.
Result<Curl> load_curl(const char* file = "libcurl.so.4");

}  // namespace number_dispenser::etcd
