#pragma once

#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);  // named by an inline function of the header that is not called here
};
}  // namespace gloo
