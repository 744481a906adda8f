"""What examples/routes.toml names: where the messages go that callers leave."""

from calltransfer import Message


async def deliver(message: Message) -> None:
    """Puts a message where a human will find it: a ticket, a mail, a row in a table."""
    print(f"A message by route {message.route}: {message.text}")
