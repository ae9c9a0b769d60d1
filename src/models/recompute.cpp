#include "models/recompute.h"

#include <torch/custom_class.h>

#include "models/autocast.h"

namespace liere {
namespace {

/// What the backward pass needs to run the part again; the graph keeps it alive.
struct Part : torch::CustomClassHolder {
  std::function<torch::Tensor(const torch::Tensor&)> f;
  bool autocast = false;  // not part of the state that autograd restores in its threads
};

struct Recompute : torch::autograd::Function<Recompute> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x, const c10::intrusive_ptr<Part>& part) {
    context->save_for_backward({x});
    context->saved_data["part"] = c10::IValue::make_capsule(part);
    const at::NoGradGuard no_grad;
    return part->f(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& gradients) {
    const auto part = c10::static_intrusive_pointer_cast<Part>(context->saved_data["part"].toCapsule());
    const auto x = context->get_saved_variables()[0].detach().requires_grad_(true);
    torch::Tensor y;
    {
      const at::AutoGradMode grad(true);
      const AutocastScope autocast(x.device().type(), part->autocast);
      y = part->f(x);
    }
    torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor recompute_in_backward(std::function<torch::Tensor(const torch::Tensor&)> f, const torch::Tensor& x) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return f(x);
  auto part = c10::make_intrusive<Part>();
  part->f = std::move(f);
  part->autocast = at::autocast::is_autocast_enabled(x.device().type());
  return Recompute::apply(x, part);
}

}  // namespace liere
