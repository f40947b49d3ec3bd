<?php
// Retell's webhooks onto a Redis list: verified over the bytes that came, answered once Redis has said that they are in its append-only file.
declare(strict_types=1);

const WINDOW_MS = 5 * 60 * 1000;

function is_authentic(string $header, string $body, string $key): bool
{
    if (!preg_match('/^v=(\d{1,16}),d=([0-9a-f]{64})$/D', $header, $match)) {
        return false;
    }
    if (abs((int) (microtime(true) * 1000) - (int) $match[1]) > WINDOW_MS) {
        return false;
    }
    return hash_equals(hash_hmac('sha256', $body . $match[1], $key), $match[2]);
}

$body = file_get_contents('php://input');
if (!is_authentic($_SERVER['HTTP_X_RETELL_SIGNATURE'] ?? '', $body, getenv('RETELL_API_KEY'))) {
    http_response_code(401);
    exit;
}

try {
    $redis = new Redis();
    $redis->pconnect(getenv('REDIS_SOCKET')); // kept by the worker for its next requests
    $stored = $redis->lPush('webhooks', $body) !== false;
} catch (RedisException) {
    $stored = false;
}
http_response_code($stored ? 204 : 503);
