// Replies that say the same.
/** One reply to many addresses is one line: what names a recipient or a transaction is blanked. */
export const bare = (text: string) => text.replace(/<[^<>\s]+@[^<>\s]+>|[^\s<>]+@[^\s<>]+/g, '…').replace(/\b(?=[\w-]*\d)[\w-]{9,}(\.[\w-]+)*\b/g, '…').replace(/\s+/g, ' ');
