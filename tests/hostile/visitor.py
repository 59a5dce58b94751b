"""A client that is stopped and resumed from outside: consumes what it publishes. visitor.py PORT QUEUE"""
import sys
import time

import pika

port, queue = int(sys.argv[1]), sys.argv[2]
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=2))
channel = connection.channel()
channel.queue_declare(queue, auto_delete=True)
channel.basic_consume(queue, lambda channel, method, _properties, _body: channel.basic_ack(method.delivery_tag))
while True:
    for _ in range(200):
        channel.basic_publish("", queue, b"x" * 1000)
    connection.process_data_events(0.01)
    time.sleep(0.01)
