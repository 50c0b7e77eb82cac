// Task<T>: our own lazy coroutine. It starts when awaited (or spawned on a Loop), resumes its
// awaiter by symmetric transfer, and is destroyed with its handle. One thread: a task never moves
// between loops; what another thread finishes comes back by Loop::post.
//
// Rules (docs/STYLE.md): parameters by value or of proven lifetime; no lambda coroutine with
// captures; no exception leaves a task (an escaping exception is a bug and ends the process).
// Frames come from a free list of the thread: one task costs two pointer moves, not a malloc.
#pragma once
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/result.h"

namespace goniec {

void* allocate_frame(std::size_t octets);
void free_frame(void* frame, std::size_t octets) noexcept;

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> awaiter = std::noop_coroutine();
  static void* operator new(std::size_t octets) { return allocate_frame(octets); }
  static void operator delete(void* frame, std::size_t octets) noexcept {
    free_frame(frame, octets);
  }
  std::suspend_always initial_suspend() noexcept { return {}; }
  struct ResumeAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      return self.promise().awaiter;
    }
    void await_resume() noexcept {}
  };
  ResumeAwaiter final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().awaiter = awaiter;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// A coroutine that owns itself: the root of a spawned task.
struct Root {
  struct promise_type {
    static void* operator new(std::size_t octets) { return allocate_frame(octets); }
    static void operator delete(void* frame, std::size_t octets) noexcept {
      free_frame(frame, octets);
    }
    Root get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};
inline Root run_root(Task<void> task) {
  co_await std::move(task);
}
}  // namespace detail

// Starts a task now, on this thread; it runs to its first real wait, and destroys itself at its
// end. Whoever spawns keeps alive what the task refers to.
inline void spawn(Task<void> task) {
  detail::run_root(std::move(task));
}

// One value, set once, awaited once (either order), both on the same thread. The waiter is resumed
// inside complete(). Not movable: operations hold its address.
template <class T>
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  void complete(T value) {
    CHECK(!value_);
    value_.emplace(std::move(value));
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  bool is_complete() const { return value_.has_value(); }
  bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  T await_resume() { return std::move(*value_); }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
};

// Tasks that wait until someone signals; all waiters are resumed (a condition variable of one
// loop). A waiter checks its condition again: while (!ready) co_await signal.wait();
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  struct Waiter {
    Signal& signal;
    std::coroutine_handle<> handle;
    Waiter* next = nullptr;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      handle = waiter;
      next = signal.first_;
      signal.first_ = this;
    }
    void await_resume() const noexcept {}
  };
  Waiter wait() { return Waiter{*this, {}}; }
  void notify_all() {
    Waiter* waiter = std::exchange(first_, nullptr);
    while (waiter) {
      Waiter* next = waiter->next;
      waiter->handle.resume();
      waiter = next;
    }
  }
  bool has_waiters() const { return first_ != nullptr; }

 private:
  Waiter* first_ = nullptr;
};

}  // namespace goniec
