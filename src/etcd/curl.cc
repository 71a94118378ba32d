#include "curl.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>

namespace number_dispenser::etcd {
namespace {

constexpr const char* kHow = "the cluster needs libcurl: apt-get install libcurl4";

}  // namespace

Result<Curl> load_curl(const char* file) {
  void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(ExitStatus::kConfiguration, fmt::format("{} ({})", kHow, ::dlerror()));

  Curl curl;
  const char* missing = nullptr;
  const auto find = [&]<class Function>(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    if (function == nullptr) missing = name;
  };
  find(curl.global_init, "curl_global_init");
  find(curl.easy_init, "curl_easy_init");
  find(curl.easy_cleanup, "curl_easy_cleanup");
  find(curl.easy_setopt, "curl_easy_setopt");
  find(curl.easy_getinfo, "curl_easy_getinfo");
  find(curl.easy_strerror, "curl_easy_strerror");
  find(curl.slist_append, "curl_slist_append");
  find(curl.slist_free_all, "curl_slist_free_all");
  find(curl.multi_init, "curl_multi_init");
  find(curl.multi_cleanup, "curl_multi_cleanup");
  find(curl.multi_add_handle, "curl_multi_add_handle");
  find(curl.multi_remove_handle, "curl_multi_remove_handle");
  find(curl.multi_perform, "curl_multi_perform");
  find(curl.multi_info_read, "curl_multi_info_read");
  find(curl.multi_poll, "curl_multi_poll");
  find(curl.multi_wakeup, "curl_multi_wakeup");
  if (missing != nullptr)
    return fail(ExitStatus::kConfiguration,
                fmt::format("{}: {} has no {}, it is too old", kHow, file, missing));

  static std::once_flag once;
  static CURLcode started = CURLE_OK;
  std::call_once(once, [&] { started = curl.global_init(CURL_GLOBAL_DEFAULT); });
  if (started != CURLE_OK)
    return fail(ExitStatus::kConfiguration,
                fmt::format("libcurl does not start: {}", curl.easy_strerror(started)));
  return curl;
}

}  // namespace number_dispenser::etcd
