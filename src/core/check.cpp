#include "core/check.h"

#include <cstdio>
#include <exception>
#include <new>

namespace liere {

int run_command(const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory. Use a smaller train.micro_batch or model, or a machine with more memory.\n");
  } catch (const std::exception& error) {
    const std::string message = error.what();
    std::fprintf(stderr, "error: %s\n", message.substr(0, message.find("\nException raised from")).c_str());  // without LibTorch's stack trace
  }
  return static_cast<int>(ExitCode::kFailure);
}

}  // namespace liere
