#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "engine.hpp"
#include "failure.hpp"

namespace tpe {

/**
 * One thread and one bounded queue for one TPM. The thread owns this object together with whoever posts: nobody joins
 * it, so a TPM that never answers keeps neither a call nor the process.
 */
class Worker : public std::enable_shared_from_this<Worker> {
 public:
  using Work = std::function<Value(Engine&)>;

  struct Outcome {
    uint64_t id;
    std::variant<Value, Failure> result;
  };

  /** Null when the system gives no further thread. */
  static std::shared_ptr<Worker> start(EngineOptions options, size_t queueLimit, std::function<void()> notify);

  /** @return false when the queue is full or closed. */
  bool post(uint64_t id, Work work);
  /** Outcomes since the last call; `notify` is called once for each batch. */
  std::vector<Outcome> takeOutcomes();
  /** Does what is queued, closes the TPM and ends the thread. */
  void finish();
  /** Drops what is queued, closes the TPM after the command under way, ends the thread; `notify` is called no more. */
  void abandon();
  /** Threads of this process that were abandoned and have not ended yet: their TPM does not answer. */
  static int leftBehind();
  /** Waits until the thread has ended. @return false when it is still busy. */
  bool endedWithin(std::chrono::milliseconds time);

 private:
  struct Job {
    uint64_t id;
    Work work;
  };

  Worker(size_t queueLimit, std::function<void()> notify) : queueLimit_(queueLimit), notify_(std::move(notify)) {}
  void loop(EngineOptions options);
  bool next(Job& job);
  void report(Outcome outcome);

  const size_t queueLimit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable end_;
  std::function<void()> notify_;
  std::deque<Job> queue_;
  std::vector<Outcome> outcomes_;
  bool closing_ = false;
  bool abandoned_ = false;
  bool ended_ = false;
};

}  // namespace tpe
