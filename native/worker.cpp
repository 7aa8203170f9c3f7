#include "worker.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <system_error>
#include <thread>

#include "exit_gate.hpp"

namespace tpe {

namespace {

std::atomic<int> threadsLeftBehind{0};

std::variant<Value, Failure> carryOut(Engine& engine, const Worker::Work& work) {
  try {
    return work(engine);
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::exception& error) {
    return Failure{"internal", "", error.what()};
  }
}

}  // namespace

std::shared_ptr<Worker> Worker::start(EngineOptions options, size_t queueLimit, std::function<void()> notify) {
  std::shared_ptr<Worker> worker(new Worker(queueLimit, std::move(notify)));
  // Signals belong to Node's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([worker, options = std::move(options)]() mutable { worker->loop(std::move(options)); }).detach();
  } catch (const std::system_error&) {
    // Out of threads or memory: no reason to end the process.
    worker = nullptr;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return worker;
}

bool Worker::post(uint64_t id, Work work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closing_ || queue_.size() >= queueLimit_) return false;
    queue_.push_back(Job{id, std::move(work)});
  }
  wake_.notify_one();
  return true;
}

std::vector<Worker::Outcome> Worker::takeOutcomes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Outcome> taken;
  taken.swap(outcomes_);
  return taken;
}

void Worker::finish() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
}

void Worker::abandon() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    notify_ = nullptr;
    queue_.clear();
    outcomes_.clear();
    if (!abandoned_ && !ended_) threadsLeftBehind++;
    abandoned_ = true;
  }
  wake_.notify_one();
}

int Worker::leftBehind() { return threadsLeftBehind; }

bool Worker::endedWithin(std::chrono::milliseconds time) {
  std::unique_lock<std::mutex> lock(mutex_);
  return end_.wait_for(lock, time, [this] { return ended_; });
}

bool Worker::next(Job& job) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (queue_.empty() && !closing_) {
    ExitGate::Waiting waiting;
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
  }
  if (queue_.empty()) return false;
  job = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

void Worker::report(Outcome outcome) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!notify_) return;
  outcomes_.push_back(std::move(outcome));
  if (outcomes_.size() == 1) notify_();
}

void Worker::loop(EngineOptions options) {
  ExitGate::Working working;
  {
    Engine engine(std::move(options));
    Job job;
    while (next(job)) {
      report(Outcome{job.id, carryOut(engine, job.work)});
      job.work = nullptr;
    }
    engine.close();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ended_ = true;
  if (abandoned_) threadsLeftBehind--;
  end_.notify_all();
}

}  // namespace tpe
